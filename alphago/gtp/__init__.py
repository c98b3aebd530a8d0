"""The Go Text Protocol, version 2, with the extensions that graphical clients, servers and match runners use."""
