"""How does a rule become a JAX program?"""
