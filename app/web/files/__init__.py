"""Files of a folder, and what is said of them."""
