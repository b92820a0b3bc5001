"""The console in a browser, the whole way, and every page judged by axe-core."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import DESK, PHONE, Tab, tab
from tests.browser.conftest import Site
from tests.support.whole_edge import Edge

pytestmark = pytest.mark.slow

PAGES = (
    "",
    "?q=nothing",
    "functions/shop",
    "functions/shop/tools",
    "functions/shop/tools/placeOrder",
    "functions/shop/request",
    "functions/shop/tokens",
    "functions/shop/deployments",
    "functions/shop/cron",
    "functions/shop/logs",
    "functions/shop/connect",
    "functions/none",
    "live",
    "live?function=none",
    "tokens",
    "audit?verify=1",
    "workers",
)


def sign_in(page: Page, site: Site) -> None:
    page.goto(site.url)
    page.get_by_label("Access token").fill(site.token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Functions")).to_be_visible()


def answered(edge: Edge, token: str) -> int:
    """The status of a request with a runtime token."""
    body = '{"title": "by hand"}'
    headers = {"Content-Type": "application/json"}
    caller = edge.caller()
    return caller.ask("/shop/order", token, method="POST", body=body, headers=headers).status


def test_the_whole_way(chrome: Browser, site: Site) -> None:
    with tab(chrome, permissions=["clipboard-read", "clipboard-write"]) as opened:
        page = opened.page
        sign_in(page, site)
        page.get_by_role("link", name="shop").click()
        page.get_by_role("link", name="Tokens").last.click()
        page.get_by_label("Name").fill("laptop")
        page.get_by_role("button", name="Create token").click()
        secret = page.get_by_label("The token", exact=True).input_value()
        page.get_by_role("button", name="Copy").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == secret
        assert answered(site.edge, secret) == 200
        page.get_by_role("link", name="I have it").click()

        page.get_by_role("link", name="Tools", exact=True).click()
        page.get_by_role("link", name="placeOrder").click()
        page.get_by_label("title", exact=False).first.fill("a book")
        page.get_by_label("count").fill("2")
        page.get_by_label("size").select_option(label='"large"')
        page.get_by_label("gift").select_option(label="yes")
        page.get_by_label("tags").fill('["x"]')
        page.get_by_role("button", name="Call placeOrder").click()
        came = page.locator("#came")
        expect(came).to_contain_text("200")
        for part in ('"title": "a book"', '"count": 2', '"size": "large"', '"gift": true', '"x"'):
            expect(came).to_contain_text(part)

        page.get_by_role("link", name="Live").first.click()
        expect(page.get_by_text("tools/call placeOrder")).to_be_visible()
        assert answered(site.edge, "jfn_rt_none") == 401
        expect(page.get_by_text("unauthorized: malformed")).to_be_visible()  # without a reload

        page.goto(f"{site.url}/admin/console/functions/shop/tokens")
        page.get_by_label("Revoke laptop").click()
        page.get_by_role("button", name="Revoke laptop").click()
        expect(page.get_by_role("status")).to_contain_text("revoked")
        assert answered(site.edge, secret) == 401

        page.get_by_role("link", name="Audit").click()
        expect(page.get_by_text("token.revoked").first).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Access token")).to_be_visible()
        page.goto(f"{site.url}/admin/console/live")
        expect(page.get_by_label("Access token")).to_be_visible()
        assert opened.complaints == []


def test_an_earlier_version_is_made_live(chrome: Browser, site: Site) -> None:
    with tab(chrome) as opened:
        page = opened.page
        sign_in(page, site)
        before = site.edge.operations.function("shop").deployment
        page.goto(f"{site.url}/admin/console/functions/shop/deployments")
        page.get_by_label("Roll back to").first.click()
        page.get_by_role("button", name="Make it live").first.click()
        expect(page.get_by_role("status")).to_contain_text("live now")
        assert site.edge.operations.function("shop").deployment != before


def test_an_open_page_follows_its_session(chrome: Browser, site: Site) -> None:
    made = site.edge.operations.create_access("short")
    with tab(chrome) as opened:
        page = opened.page
        sign_in(page, Site(site.edge, site.url, made.token))
        page.goto(f"{site.url}/admin/console/live")
        site.edge.operations.revoke_access("short")
        expect(page.get_by_label("Access token")).to_be_visible(timeout=10_000)
        assert opened.complaints == []


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_and_fits(
    chrome: Browser, site: Site, axe: str, scheme: str, size: tuple[int, int]
) -> None:
    site.edge.caller().ask("/shop/none", "jfn_rt_none")
    with tab(chrome, size, color_scheme=scheme) as opened:
        page, found = opened.page, {}
        page.goto(site.url)
        found["sign-in"] = opened.violations(axe)
        sign_in(page, site)
        for path in PAGES:
            page.goto(f"{site.url}/admin/console/{path}")
            found[path] = opened.violations(axe) + wide(page)
        found["tool"] = after_a_call(opened, site, axe)
        assert {path: each for path, each in found.items() if each} == {}
        assert page.title() != "taken"
        assert opened.complaints == []


def after_a_call(opened: Tab, site: Site, axe: str) -> list[str]:
    """What is found on the pages that answer forms."""
    page = opened.page
    page.goto(f"{site.url}/admin/console/functions/shop/tools/placeOrder")
    page.get_by_label("count").fill("many")
    page.get_by_role("button", name="Call placeOrder").click()
    expect(page.get_by_text("Write a whole number")).to_be_visible()
    found = opened.violations(axe) + wide(page)
    page.get_by_label("count").fill("2")
    page.get_by_role("button", name="Call placeOrder").click()
    expect(page.locator("#came")).to_contain_text("200")
    for summary in page.locator("#came summary").all():
        summary.click()
    return found + opened.violations(axe) + wide(page)


def wide(page: Page) -> list[str]:
    """Whether a page is wider than its window."""
    over = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return [f"{over} pixels too wide"] if over > 0 else []


def test_everything_is_reached_by_keyboard(chrome: Browser, site: Site) -> None:
    site.edge.operations.create_token("shop", "by keyboard")
    with tab(chrome) as opened:
        page = opened.page
        page.goto(site.url)
        page.keyboard.type(site.token)  # the field has the focus
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Functions")).to_be_visible()
        page.goto(f"{site.url}/admin/console/functions/shop/tokens")
        page.keyboard.press("Tab")
        assert focused(page) == "Skip to the page"
        page.keyboard.press("Enter")
        while focused(page) != "Revoke by keyboard":
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert focused(page) == "Revoke by keyboard"
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("revoked")
        names = {token.name for token in site.edge.operations.tokens("shop")}
        assert "by keyboard" not in names


def focused(page: Page) -> str:
    """What the element with the focus is called."""
    name = page.evaluate(
        "document.activeElement.getAttribute('aria-label') || document.activeElement.innerText"
    )
    return str(name)


def test_it_works_without_scripts(chrome: Browser, site: Site) -> None:
    with tab(chrome, java_script_enabled=False) as opened:
        page = opened.page
        sign_in(page, site)
        page.goto(f"{site.url}/admin/console/functions/shop/tools/placeOrder")
        page.get_by_label("title", exact=False).first.fill("plain")
        page.get_by_role("button", name="Call placeOrder").click()
        expect(page.locator("#came")).to_contain_text('"title": "plain"')


def test_no_function_on_the_same_host_is_sent_the_cookie(chrome: Browser, site: Site) -> None:
    (upstream,) = site.edge.operations.function("shop").upstream
    site.edge.deploy("open", upstream, public=True)
    public = f"http://127.0.0.1:{site.edge.port}"
    with tab(chrome) as opened:
        page = opened.page
        sign_in(page, site)
        page.context.add_cookies([{"name": "plain", "value": "1", "url": public}])
        for path in ("", "admin/console/", "console/"):
            page.goto(f"{public}/open/{path}")
            expect(page.locator("body")).to_contain_text('"cookies": "plain=1"')
        answer = page.goto(f"{public}/admin/console/")
        assert answer is not None
        assert answer.status == 404


def test_the_judges_see_what_is_wrong(chrome: Browser, site: Site, axe: str) -> None:
    with tab(chrome) as opened:
        page = opened.page
        sign_in(page, site)
        page.evaluate("document.querySelector('main').innerHTML = '<img src=x onerror=alert(1)>'")
        found = opened.violations(axe)
        assert any(each.startswith("image-alt") for each in found)
        expect_complaint(opened, "Content Security Policy")


def expect_complaint(opened: Tab, words: str) -> None:
    """Wait until the browser has complained."""
    with opened.page.expect_console_message(timeout=5000):
        opened.page.evaluate("console.error('last')")
    assert any(words in each for each in opened.complaints), opened.complaints
