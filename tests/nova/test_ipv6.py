"""IPv6 addresses made of MAC addresses, and back."""

from ipaddress import AddressValueError

import pytest

from manystore.nova.ipv6 import to_global, to_mac


@pytest.mark.parametrize(
    ("prefix", "mac", "address"),
    [
        ("fd00:1:2:3::/64", "02:16:3e:00:00:01", "fd00:1:2:3:16:3eff:fe00:1"),
        ("2001:db8::/64", "00:16:3E:33:44:55", "2001:db8::216:3eff:fe33:4455"),
        ("fe80::/48", "ff:ff:ff:ff:ff:ff", "fe80::fdff:ffff:feff:ffff"),
    ],
)
def test_an_address_follows_from_range_and_mac_and_leads_back(prefix: str, mac: str, address: str):
    assert to_global(prefix, mac, "p1") == to_global(prefix, mac, None) == address
    assert to_mac(address) == mac.lower()


@pytest.mark.parametrize("mac", ["", "02:16", "02:16:3e:00:00:xx", "02:16:3e:00:00:001", "02-16-3e-00-00-01"])
def test_what_is_no_mac_address_is_refused(mac: str):
    with pytest.raises(ValueError, match="is no MAC address"):
        to_global("fd00::/64", mac, "p1")


def test_an_address_that_no_mac_made_is_refused():
    with pytest.raises(ValueError, match="was not made of a MAC address"):
        to_mac("fd00::1")
    with pytest.raises(AddressValueError):
        to_mac("10.0.0.1")
