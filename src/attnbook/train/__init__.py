"""`python -m attnbook.train`: train the book's Transformer on dates and save a checkpoint."""
