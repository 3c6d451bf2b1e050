"""What is a rule worth?"""
