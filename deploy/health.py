"""``health.py URL SECONDS``: exit 0 when the address answers with success in time; the images have no curl."""

import sys
import urllib.error
import urllib.request

url, timeout_s = sys.argv[1], float(sys.argv[2])
try:
    urllib.request.urlopen(url, timeout=timeout_s).close()
except urllib.error.HTTPError as error:
    sys.exit(f"{url}: {error.code} {error.read(2000).decode(errors='replace')}")
except OSError as error:
    sys.exit(f"{url}: {error}")
