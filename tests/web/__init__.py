"""The pages, driven in Chromium against a stand-in for the API."""
