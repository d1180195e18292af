"""Python code that lies among the pages."""
