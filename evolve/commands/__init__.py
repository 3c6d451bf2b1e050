"""What does the command line take?"""
