"""Which constants suit a rule?"""
