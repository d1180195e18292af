# Banners as a page of a site that is there already; what they count is in its registry.
from banners import BannerSite

resource = BannerSite()
