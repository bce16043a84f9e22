"""Django's addresses."""

from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.middleware.csrf import get_token
from django.urls import path


def hello(request: HttpRequest) -> HttpResponse:
    """What Django does itself; the token is for its forms."""
    return HttpResponse(f"This is Django, {request.user}. {get_token(request)}")


def sign_in(request: HttpRequest) -> HttpResponse:
    """Open a session of Django's, which counts for Foretell too."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    user = authenticate(
        request,
        username=request.POST.get("name", ""),
        password=request.POST.get("password", ""),
    )
    if user is None:
        return HttpResponse(status=401)
    login(request, user)
    return HttpResponse(status=204)


def sign_out(request: HttpRequest) -> HttpResponse:
    """End it, for both."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    logout(request)
    return HttpResponse(status=204)


urlpatterns = [
    path("hello", hello),
    path("sign-in", sign_in),
    path("sign-out", sign_out),
]
