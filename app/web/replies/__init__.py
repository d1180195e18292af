"""What changes replies on their way out."""
