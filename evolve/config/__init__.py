"""What is a run asked to do?"""
