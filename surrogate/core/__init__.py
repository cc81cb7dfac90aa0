"""What functions, derivatives and pairs are made of, and how they are evaluated."""
