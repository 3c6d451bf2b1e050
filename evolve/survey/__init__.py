"""Of all distinct rules up to a size, which is the best?"""
