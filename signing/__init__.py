"""What must not be forged: commands to devices, configurations, and the credentials of stations."""
