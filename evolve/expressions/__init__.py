"""How is an equation written, read, shortened and set?"""
