"""Running it for years: backups, upgrades, full disks, databases that go and come back."""
