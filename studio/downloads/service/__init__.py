"""What can be done with downloads."""

from studio.downloads.service.fetching import FetchedFile, fetch_file
from studio.downloads.service.links import link_to
from studio.downloads.service.offering import DownloadLink, create_link

__all__ = ["DownloadLink", "FetchedFile", "create_link", "fetch_file", "link_to"]
