"""Questions to a pair or a model: is the gradient the one that it says, and how false is it?"""
