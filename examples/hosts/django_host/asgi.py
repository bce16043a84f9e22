"""One process of both: `uvicorn hosts.django_host.asgi:application`."""

import os

from django.core.asgi import get_asgi_application

from foretell import create_app
from foretell.mount import mount_in_django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hosts.django_host.settings")
application = mount_in_django(get_asgi_application(), create_app(), "/ft")
