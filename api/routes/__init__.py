"""The addresses of the API, one router a noun."""
