"""What ties the controllers to Go: networks of Go as a space to search, and strength as what is searched for."""
