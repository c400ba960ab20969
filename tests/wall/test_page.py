"""The page in a real browser: its numbers are the core's, it follows, it survives, and hostile text stays text."""

import shutil
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.canary import TEXT
from tests.core.floor.seen import CROWD
from tests.laws.notation import at
from tests.wall.room import EVENING_MS, TOKEN, Room

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
SIZES = {"full": (1920, 1080), "half": (1280, 720)}
SOON_MS = 15_000
expect.set_options(timeout=SOON_MS)

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    """One browser for all tests here."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        await browser.close()


class Screen:
    """Pages in that browser; whatever one of them complains about is remembered."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._pages: list[Page] = []
        self.complaints: list[str] = []

    async def open(
        self, address: str, fragment: str = "lang=en", size: tuple[int, int] = (1920, 1080)
    ) -> Page:
        """A page of the wall that has its data."""
        page = await self._browser.new_page(viewport={"width": size[0], "height": size[1]})
        self._pages.append(page)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))
        await page.goto(f"{address}#{fragment}")
        return page

    async def close(self) -> None:
        """Close all pages."""
        for page in self._pages:
            await page.close()


@pytest_asyncio.fixture(loop_scope="module")
async def screen(chromium: Browser) -> AsyncIterator[Screen]:
    """Pages for one test, none of which may have complained."""
    screen = Screen(chromium)
    yield screen
    await screen.close()
    assert screen.complaints == []


def span(ms: float) -> str:
    """A duration as the wall writes it."""
    minutes, seconds = divmod(int(ms // 1000), 60)
    return f"{minutes}:{seconds:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


async def texts(page: Page, selector: str) -> list[str]:
    """What the elements say."""
    return [text.strip() for text in await page.locator(selector).all_text_contents()]


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
async def test_every_number_on_the_wall_is_the_cores(screen: Screen, size: tuple[int, int]) -> None:
    room = Room()
    room.evening()
    readings = room.readings()
    async with room.opened() as (address, _):
        page = await screen.open(address, size=size)
        await expect(page.locator("#agents .rows .row").first).to_be_visible()
        oldest = max(value for key, value in readings.items() if key[0] == "oldest_wait_seconds")
        late = sum(value for key, value in readings.items() if key[0] == "waits_over" and key[2] == "30")
        total = sum(value for key, value in readings.items() if key[0] == "open_waits")
        assert await texts(page, "#longest b") == [span(oldest * 1000)]
        assert await texts(page, "#late b") == [str(late)]
        assert await texts(page, "#late .note") == [f"of {total} waiting"]
        overs = [
            sum(value for key, value in readings.items() if key[0] == "waits_over" and key[2] == level)
            for level in ("15", "30", "100", "180", "1800")
        ]
        bins = [more - less for more, less in zip([total, *overs], [*overs, 0], strict=True)]
        assert await texts(page, "#ages .bar b") == list(map(str, bins))
        waits, within = readings["day_waits",], readings["day_waits_within_30",]
        consulted, replied = readings["day_consulted",], readings["day_replied", "any"]
        assert await texts(page, "#within dd") == [f"{100 * within / waits:.1f} %"]
        assert await texts(page, "#within small") == [f"{within} of {waits}"]
        assert await texts(page, "#replied dd") == [f"{100 * replied / consulted:.1f} %"]
        assert await texts(page, "#mean dd") == [f"{readings['day_response_mean_seconds',]:.1f} s"]
        assert await texts(page, "#mean small") == [f"p90 {readings['day_response_p90_seconds',]:.1f} s"]
        agents = await texts(page, "#agents .rows .name b")
        assert set(agents) == {
            key[1]
            for key, n in readings.items()
            if n and key[0] in ("agent_day_waits", "agent_day_consulted")
        }
        for place, agent in enumerate(agents):
            cells = await texts(page, f"#agents .rows .row:nth-child({place + 1}) > span")
            open_waits = readings["open_waits", agent]
            late = readings["waits_over", agent, "30"]
            of_agent = readings["agent_day_waits_within_30", agent], readings["agent_day_waits", agent]
            assert cells[1:7] == [
                "online",
                str(open_waits) if open_waits else "·",
                span(readings["oldest_wait_seconds", agent] * 1000) if open_waits else "",
                str(late) if late else "",
                f"{readings['agent_day_response_mean_seconds', agent]:.1f}",
                f"{readings['agent_day_response_p90_seconds', agent]:.1f}",
            ]
            assert cells[7] == f"{100 * of_agent[0] // of_agent[1]} %{of_agent[0]}/{of_agent[1]}"
        firing = {key[1]: value for key, value in readings.items() if key[0] == "alerts_firing"}
        ages = [
            EVENING_MS - document["since_ms"]
            for key, document in room.documents().items()
            if key[0] == "wait"
        ]
        assert firing["wait"] == sum(
            sum(age > over for over in (15_000, 30_000, 100_000, 180_000)) for age in ages
        )
        others = sum(number for rule, number in firing.items() if rule != "wait")
        shown = sum(age > 15_000 for age in ages) + others
        assert await texts(page, "#alerts h2 b") == [str(shown)], "one a wait"


async def assert_all_is_seen(page: Page) -> None:
    """Nothing scrolls, lies outside or is cut off, and the heroes are large enough."""
    measured: dict[str, Any] = await page.evaluate(
        """() => ({
            scrolls: document.documentElement.scrollHeight > innerHeight || document.documentElement.scrollWidth > innerWidth,
            outside: [...document.querySelectorAll('.tile:not([hidden])')].filter((tile) => {
                const box = tile.getBoundingClientRect();
                return box.width && (box.right > innerWidth || box.bottom > innerHeight || box.left < 0);
            }).map((tile) => tile.id),
            cut: [...document.querySelectorAll(
                '#room .hero b, #room .hero .note, #today dd, #today dt span, .bar b, .bar span, .row > :not(.name), .alert b, h2'
            )].filter((node) => node.scrollWidth > node.clientWidth + 1 && getComputedStyle(node).display !== 'inline')
              .map((node) => node.className + ': ' + node.textContent),
            heroes: [...document.querySelectorAll('.hero b')].map((node) => {
                const box = node.getBoundingClientRect(), tile = node.closest('.tile').getBoundingClientRect();
                return [parseFloat(getComputedStyle(node).fontSize) / innerHeight, box.right < tile.right];
            }),
        })"""
    )
    assert not measured["scrolls"]
    assert measured["outside"] == []
    assert measured["cut"] == []
    assert all(share >= 0.08 and inside for share, inside in measured["heroes"])


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
async def test_the_wall_fits_the_screen_and_its_heroes_are_read_from_five_metres(
    screen: Screen, size: tuple[int, int], language: str
) -> None:
    room = Room()
    room.evening()
    async with room.opened() as (address, _):
        page = await screen.open(address, f"lang={language}", size)
        await expect(page.locator("#agents .rows .row").first).to_be_visible()
        await assert_all_is_seen(page)


@pytest.mark.parametrize("until", ["11:05:00", "23:45:00"])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
async def test_who_waits_for_hours_is_shown_with_all_digits(
    screen: Screen, size: tuple[int, int], until: str
) -> None:
    room = Room()
    room.hears(*CROWD, until=until)
    async with room.opened() as (address, _):
        page = await screen.open(address, size=size)
        await expect(page.locator("#late b")).to_have_text("24")
        await expect(page.locator("#longest b")).to_have_text(span(at(until) - at("10:00:00")))
        await assert_all_is_seen(page)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
async def test_a_hundred_who_wait_are_not_shown_as_ten(screen: Screen, size: tuple[int, int]) -> None:
    def said(number: int, ms: int, **more: str) -> bytes:
        event = {
            "id": f"{number}-{ms}",
            "type": "message",
            "ts": ms,
            "shop": "s",
            "customer": f"c{number}",
            "agent": "a",
        }
        return msgspec.json.encode(event | more)

    began = at("10:00:00")
    room = Room()
    room.take([said(number, began, sender="customer") for number in range(268)], began + 1)
    room.take([said(number, began + 128_200, sender="human") for number in range(40)], began + 128_201)
    async with room.opened() as (address, _):
        page = await screen.open(address, size=size)
        await expect(page.locator("#late b")).to_have_text("228")
        assert await texts(page, "#mean dd") == ["128 s"]
        await assert_all_is_seen(page)


async def test_what_happens_is_on_the_wall_within_a_moment(screen: Screen) -> None:
    room = Room()
    room.hears("10:00:00 c>A @c1 #m1", until="10:00:45")
    async with room.opened() as (address, _):
        page = await screen.open(address)
        await expect(page.locator("#longest b")).to_have_text("0:45")
        await expect(page.locator("#longest")).to_have_attribute("data-severity", "warning")
        room.hears("10:00:46 c>B @c2 #m2", until="10:00:50")
        await expect(page.locator("#late .note")).to_have_text("of 2 waiting")
        room.hears("10:00:51 A human #m3 @c1", "10:00:52 B human #m4 @c2", until="10:00:55")
        await expect(page.locator("#longest .note")).to_have_text("Nobody is waiting")
        await expect(page.locator("#longest b")).to_have_text("0:00")
        await expect(page.locator("#alerts h2 b")).to_have_text("")
        await expect(page.locator("#alerts .alert")).to_have_count(1)  # the end of the highest level


async def test_ages_run_on_between_two_messages(screen: Screen) -> None:
    room = Room()
    room.speed = 600.0
    room.hears("10:00:00 c>A @c1", until="10:00:10")
    async with room.opened() as (address, _):
        page = await screen.open(address)
        await expect(page.locator("#longest b")).to_be_visible()
        await page.wait_for_function(
            "() => /^[2-9]:/.test(document.querySelector('#longest b').textContent)", timeout=SOON_MS
        )


async def test_the_wall_comes_back_by_itself_and_says_so_meanwhile(screen: Screen) -> None:
    room = Room()
    room.hears("10:00:00 c>A @c1 #m1", until="10:00:45")
    async with room.opened() as (address, _):
        page = await screen.open(address)
        await expect(page.locator("#longest b")).to_have_text("0:45")
        port = int(address.rstrip("/").rpartition(":")[2])
    await expect(page.locator("html")).to_have_attribute("data-data", "lost")
    await expect(page.locator("#age b")).to_have_text("No connection")
    room.hears("10:01:00 c>A @c2 #m2", until="10:02:00")
    async with room.opened(port=port):
        await expect(page.locator("#longest b")).to_have_text("2:00", timeout=2 * SOON_MS)
        await expect(page.locator("html")).to_have_attribute("data-data", "paused")
        await expect(page.locator("#late b")).to_have_text("2")


async def test_old_data_are_told_from_new_ones(screen: Screen) -> None:
    room = Room()
    room.hears("10:00:00 c>A @c1 #m1", until="10:00:45")
    room.speed = 1.0
    async with room.opened() as (address, _):
        page = await screen.open(address)
        await expect(page.locator("html")).to_have_attribute("data-data", "live")
        room.now_ms += 60_000  # time goes on, and no board comes
        await expect(page.locator("html")).to_have_attribute("data-data", "stale")
        await expect(page.locator("#age span")).to_contain_text("data 6")
        assert float(await page.locator("main#room").evaluate("main => getComputedStyle(main).opacity")) < 1


HOSTILE = (
    "<img src=x onerror=alert(1)>",
    '"><script>alert(2)</script>',
    "javascript:alert(3)",
    "\u202egnp.exe\u2066\u200b\x1b[2J",
    "</a><style>*{display:none}</style>",
    "a" * 128,
)


async def test_hostile_ids_stay_text_and_chat_text_never_comes(screen: Screen) -> None:
    room = Room()
    texts_sent = f"<script>alert(9)</script> {TEXT}"
    values = [
        message(f"h{n}", 1_000 * n, customer=hostile, agent=hostile, text=texts_sent)
        for n, hostile in enumerate(HOSTILE)
    ]
    room.take(values, at("10:00:00") + 200_000)
    async with room.opened() as (address, _):
        page = await screen.open(address)
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        await page.evaluate(
            "() => { window.violations = 0; addEventListener('securitypolicyviolation', () => { window.violations += 1 }) }"
        )
        await expect(page.locator("#agents .rows .row")).to_have_count(len(HOSTILE))
        shown = set(await texts(page, "#agents .rows .name b"))
        assert {HOSTILE[0], HOSTILE[1], HOSTILE[2], HOSTILE[4], HOSTILE[5]} <= shown
        assert "·gnp.exe··[2J" in {text.replace("···", "··") for text in shown}, (
            "what cannot be seen is made visible"
        )
        for place in range(len(HOSTILE)):
            await page.locator("#agents .rows .row").nth(place).click()
            await expect(page.locator("#one .wait")).to_have_count(1)
            await page.locator("#one .wait a.what").click()
            await expect(page.locator("#one .who h2")).to_contain_text("Customer")
            await expect(page.locator("#one .wait li")).to_have_count(1)
            await page.locator("#home").click()
            await expect(page.locator("#room")).to_be_visible()
        assert await page.locator("body img, body script, body style, body iframe").count() == 0
        assert TEXT not in await page.content()
        assert await page.evaluate("window.violations") == 0
        assert [url for url in requests if not url.startswith(address)] == []


def message(id_: str, after_ms: int, **fields: Any) -> bytes:
    """A customer's message, so many ms after ten o'clock."""
    event = {"id": id_, "type": "message", "ts": at("10:00:00") + after_ms, "shop": "s", "sender": "customer"}
    return msgspec.json.encode(event | fields)


async def test_an_agent_and_a_wait_have_pages_of_their_own(screen: Screen) -> None:
    room = Room()
    room.hears(
        "10:00:00 c>A @c1 #m1", "10:00:01 A auto #m2 @c1", "10:00:05 c>A @c2 #m3", "10:00:20 transfer A>B @c1",
        "10:00:25 c #m4 @c1", until="10:00:45",
    )  # fmt: skip
    async with room.opened() as (address, _):
        page = await screen.open(address)
        await page.locator("#agents .rows .row", has_text="A").first.click(timeout=SOON_MS)
        await expect(page.locator("#one h2").first).to_have_text("A")
        await expect(page.locator("#one .wait")).to_have_count(1)
        await expect(page.locator("#one .wait .what span")).to_contain_text("c2 · since 10:00:05 · 1 message")
        assert "customer=" not in page.url
        await page.go_back()
        await page.locator("#agents .rows .row", has_text="B").last.click()
        await page.locator("#one .wait a.what").click()
        await expect(page.locator("#one h2").first).to_have_text("Customer c1")
        assert await texts(page, "#one .wait li code") == ["m1", "m2", "m4"]
        assert await texts(page, "#one .wait li span") == ["10:00:00", "10:00:01", "10:00:25"]
        await expect(page.locator("#one .wait .legs")).to_have_text("With whom: A 0:20 → B 0:25")


async def test_what_one_has_seen_all_know(screen: Screen) -> None:
    room = Room()
    room.hears("10:00:00 c>A @c1 #m1", until="10:00:20")
    access = room.guarded()
    async with room.opened(access) as (address, _):
        desk = await screen.open(address, f"lang=en&key={TOKEN}")
        tv = await screen.open(address, f"lang=en&key={access.view_key}")
        await expect(tv.locator("#alerts .alert")).to_have_attribute("data-stands", "yes")
        await expect(tv.locator("#alerts button:visible")).to_have_count(0)
        await desk.get_by_role("button", name="Mark as seen").click(timeout=SOON_MS)
        for page in (desk, tv):
            await expect(page.locator("#alerts .alert")).to_have_attribute("data-stands", "seen")
        assert len(room.picture.seen) == 1
        assert TOKEN not in await tv.content()
        assert await desk.evaluate("document.cookie") == ""


async def test_a_link_without_its_key_says_what_is_missing(screen: Screen) -> None:
    room = Room()
    room.hears("10:00:00 c>A @c1 #m1", until="10:00:20")
    access = room.guarded()
    async with room.opened(access) as (address, _):
        page = await screen.open(address, "lang=zh")
        await expect(page.locator("#message")).to_contain_text("#key=")
        await page.evaluate(f"location.hash = 'lang=en&key={access.view_key}'")
        await expect(page.locator("#longest b")).to_have_text("0:20")
        await expect(page.locator("#message")).to_be_hidden()


async def test_it_speaks_both_languages_and_has_both_lights_and_the_link_remembers(screen: Screen) -> None:
    room = Room()
    room.hears("10:00:00 c>A @c1 #m1", until="10:00:20")
    async with room.opened() as (address, _):
        page = await screen.open(address, "lang=zh")
        await expect(page.locator("#longest h2")).to_have_text("最长等待")
        said = page.locator("#alerts .what > *")
        await expect(said).to_have_text(["等待超过 15 秒 · A", "请马上回复或转接"])
        await page.locator("#language").click()
        await expect(page.locator("#longest h2")).to_have_text("Longest wait")
        await expect(said).to_have_text(["Waiting over 15 s · A", "reply now or hand over"])
        whole = "A customer has waited more than 15 s (A): reply now or hand over"
        await expect(page.locator("#alerts .what")).to_have_attribute("title", whole)
        await page.locator("#theme").click()
        await expect(page.locator("html")).to_have_attribute("data-theme", "light")
        await page.reload()
        await expect(page.locator("html")).to_have_attribute("data-theme", "light")
        await expect(page.locator("#longest h2")).to_have_text("Longest wait")


@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_each_severity_has_a_shape_of_its_own_and_can_be_read(screen: Screen, theme: str) -> None:
    async with Room().opened() as (address, _):
        page = await screen.open(address, f"theme={theme}")
        shapes: list[str] = await page.evaluate(
            """() => ['ok', 'info', 'warning', 'critical', 'breach', 'lost'].map((severity) => {
                document.querySelector('#late').dataset.severity = severity;
                const style = getComputedStyle(document.querySelector('#late .mark'));
                return [style.clipPath, style.borderTopWidth, style.borderRadius, style.transform].join(' ');
            })"""
        )
        assert len(set(shapes)) == 6
        contrasts: dict[str, float] = await page.evaluate(
            """() => {
                const root = getComputedStyle(document.documentElement);
                const light = (name) => {
                    const [r, g, b] = root.getPropertyValue(name).trim().match(/[0-9a-f]{2}/gi)
                        .map((part) => parseInt(part, 16) / 255)
                        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
                    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
                };
                const ground = light('--tile');
                const names = ['text', 'muted', 'ok', 'info', 'warning', 'critical', 'breach', 'lost'];
                return Object.fromEntries(names.map((name) => {
                    const own = light('--' + name);
                    return [name, (Math.max(own, ground) + 0.05) / (Math.min(own, ground) + 0.05)];
                }));
            }"""
        )
        assert {name: round(ratio, 1) for name, ratio in contrasts.items() if ratio < 4.5} == {}


async def test_unpaid_orders_have_a_tile_while_there_are_any(screen: Screen) -> None:
    room = Room()
    room.hears("10:00:00 order o1 created @c", "10:01:00 order o2 created @d", until="10:03:00")
    async with room.opened() as (address, _):
        page = await screen.open(address)
        await expect(page.locator("#unpaid")).to_be_visible()
        assert await texts(page, "#unpaid .stage b") == ["2", "0", "0"]
        assert await texts(page, "#unpaid .stage span") == ["new", "12h", "24h"]
        room.hears("10:04:00 order o1 paid @c #p1", "10:04:00 order o2 paid @d #p2", until="10:05:00")
        await expect(page.locator("#unpaid")).to_be_hidden()
