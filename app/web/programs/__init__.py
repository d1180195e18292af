"""Pages made by programs of other languages: CGI."""
