"""The pages: templates, their words, and the files that they load."""
