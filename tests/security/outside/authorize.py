"""Signs in by the Authorize button of /docs in a real browser, and calls a route.

Run in an environment of its own, which has playwright:
`python authorize.py ADDRESS EMAIL PASSWORD CHROMIUM`. Prints what it saw as JSON.
"""

import json
import sys
from typing import Any

from playwright.sync_api import Page, sync_playwright


def authorize(page: Page, email: str, password: str) -> None:
    page.click("button.authorize")
    page.fill("#oauth_username", email)
    page.fill("#oauth_password", password)
    page.locator(".auth-container", has=page.locator("#oauth_username")).locator(
        "button.authorize"
    ).click()
    page.get_by_text("Logout", exact=True).wait_for()
    page.locator("button.btn-done").first.click()


def call(page: Page, path: str) -> dict[str, Any]:
    operation = page.locator(f'.opblock:has([data-path="{path}"])').first
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    live = operation.locator(".live-responses-table tr.response").first
    live.wait_for()
    return {
        "status": live.locator(".response-col_status").first.inner_text(),
        "body": live.locator(".response-col_description pre").first.inner_text(),
    }


def main(address: str, email: str, password: str, chromium: str) -> None:
    hosts: set[str] = set()
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        page = browser.new_page()
        page.on("request", lambda r: hosts.add(r.url.split("/")[2]))
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.on(
            "console",
            lambda m: errors.append(m.text) if m.type == "error" else None,
        )
        page.goto(f"{address}/docs")
        authorize(page, email, password)
        found = call(page, "/api/me")
        browser.close()
    print(json.dumps({**found, "hosts": sorted(hosts), "errors": errors}))


if __name__ == "__main__":
    main(*sys.argv[1:])
