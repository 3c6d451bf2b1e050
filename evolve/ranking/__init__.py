"""How do rules compare?"""
