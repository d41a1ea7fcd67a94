"""The real viewer in a real browser: a click on a pixel shows the series that the result has there."""

import json
import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager

import numpy as np
import pytest
import xarray as xr

from integration.other_programs.environments import interpreter, run_in

# Opens the page, zooms in, clicks beside the centre, and prints what the page asked for and was answered.
CLICK = """
import json, shutil, sys, time
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

options = webdriver.ChromeOptions()
for word in ("headless", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking",
             "disable-component-update", "disable-sync", "window-size=1200,900"):
    options.add_argument(f"--{word}")
options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
events = []

def find(method, url):
    events.extend(json.loads(one["message"])["message"] for one in browser.get_log("performance"))
    return [one["params"] for one in events if one["method"] == method and url in json.dumps(one["params"])]

try:
    browser.get(sys.argv[1])
    wait = WebDriverWait(browser, 120)
    wait.until(lambda _: find("Network.responseReceived", "/histogram/"))
    area = browser.find_element(By.CSS_SELECTOR, ".leaflet-container")
    area.click()
    area.send_keys(Keys.ESCAPE)
    for _ in range(4):
        area.send_keys("+")
        time.sleep(1.5)
    ActionChains(browser).move_to_element_with_offset(area, 60, 70).click().perform()
    (answered,) = wait.until(lambda _: find("Network.responseReceived", "/multi_point"))
    number = answered["requestId"]
    wait.until(lambda _: find("Network.loadingFinished", number))
    (asked,) = find("Network.requestWillBeSent", number)
    body = browser.execute_cdp_cmd("Network.getResponseBody", {"requestId": number})["body"]
    chosen = browser.find_element(By.CSS_SELECTOR, "select").get_attribute("value")
    print(json.dumps({"asked": asked["request"]["postData"], "answered": body, "chosen": chosen}))
finally:
    browser.quit()
"""


@contextmanager
def viewing(python, result, log):
    """Run the command ``view``; gives its address."""
    command = [python, "-m", "fringefleet", "view", str(result)]
    own = {name: text for name, text in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file, env=own) as process:
        try:
            deadline = time.monotonic() + 120
            while not (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.2)
            yield found[0]
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(60)
    assert code == 0, log.read_text()


@pytest.mark.long
def test_a_click_on_a_pixel_shows_its_series(result, tmp_path):
    python = interpreter("FRINGEFLEET_VIEWER", "'fringefleet[view]' selenium")
    with viewing(python, result, tmp_path / "view.log") as address:
        seen = json.loads(run_in(python, CLICK, address))
    assert seen["chosen"] == "displacement"
    asked, answered = json.loads(seen["asked"]), json.loads(seen["answered"])
    (point,), (series,) = asked["points"], answered["datasets"]
    expected = xr.open_zarr(result)["displacement"].sel(x=point["lon"], y=point["lat"], method="nearest")
    expected = expected.dropna("date")
    assert len(expected) > 0
    assert [one["x"] for one in series["data"]] == np.datetime_as_string(expected["date"], "D").tolist()
    np.testing.assert_array_equal([one["y"] for one in series["data"]], expected.values.astype(float))
    assert f"ssh -N -L {address.rpartition(':')[2]}:127.0.0.1" in (tmp_path / "view.log").read_text()
