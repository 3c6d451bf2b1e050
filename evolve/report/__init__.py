"""What do people and programs see?"""
