"""Django's addresses."""

from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.urls import path
from django.views.decorators.http import require_POST


def hello(request: HttpRequest) -> HttpResponse:
    """What Django does itself; the token is for its forms."""
    return HttpResponse(f"This is Django, {request.user}. {get_token(request)}")


@require_POST
def sign_in(request: HttpRequest) -> HttpResponse:
    """Open a session of Django's, which counts for Foretell too."""
    user = authenticate(
        request,
        username=request.POST.get("name", ""),
        password=request.POST.get("password", ""),
    )
    if user is None:
        return HttpResponse(status=401)
    login(request, user)
    return HttpResponse(status=204)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End it, for both."""
    logout(request)
    return HttpResponse(status=204)


urlpatterns = [
    path("hello", hello),
    path("sign-in", sign_in),
    path("sign-out", sign_out),
]
