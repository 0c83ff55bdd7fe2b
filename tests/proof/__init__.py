"""What is proven once everything else has run."""
