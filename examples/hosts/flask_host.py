"""A Flask application with Foretell below /ft, under any server of WSGI:
`gunicorn --config python:hosts.gunicorn_settings hosts.flask_host:site`.
"""

import os

from flask import Flask, Response, request, session

from foretell import create_app
from foretell.mount import HostUser, mount_in_flask
from hosts.people import checked

site = Flask(__name__)
site.secret_key = os.environ["HOST_SECRET"]
site.config.update(SESSION_COOKIE_SAMESITE="Lax")


@site.get("/hello")
def hello() -> str:
    """What Flask does itself."""
    return f"This is Flask, {session.get('email', 'stranger')}."


@site.post("/sign-in")
def sign_in() -> Response:
    """Open a session of Flask's, which counts for Foretell too."""
    email = checked(request.form.get("name", ""), request.form.get("password", ""))
    if email is None:
        return Response(status=401)
    session["email"] = email
    return Response(status=204)


def flask_user() -> HostUser | None:
    """Whoever has a session."""
    email = session.get("email")
    return HostUser(id=f"flask:{email}", email=email) if email else None


mount = mount_in_flask(site, create_app(), "/ft", users=flask_user)
