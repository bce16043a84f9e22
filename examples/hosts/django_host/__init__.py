"""A Django project with Foretell below /ft."""
