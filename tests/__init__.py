"""What must hold, one folder a package."""
