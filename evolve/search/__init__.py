"""How are rules proposed?"""
