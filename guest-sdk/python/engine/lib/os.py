"""What there is of an operating system in the sandbox: randomness of the run. There are no files, no environment, no processes."""

import abc
import sys

import _adp

name = "adp"
sep = "/"
altsep = None
extsep = "."
curdir = "."
pardir = ".."
pathsep = ":"
linesep = "\n"
devnull = "/dev/null"
environ = {}
error = OSError


class PathLike(abc.ABC):
    """An object that stands for a path."""

    @abc.abstractmethod
    def __fspath__(self):
        raise NotImplementedError

    @classmethod
    def __subclasshook__(cls, other):
        return hasattr(other, "__fspath__") if cls is PathLike else NotImplemented


def fspath(path):
    if isinstance(path, (str, bytes)):
        return path
    return type(path).__fspath__(path)


def urandom(n):
    return _adp.random(n)


def getenv(key, default=None):
    return default


def getpid():
    return 1


def stat(path, **_):
    raise FileNotFoundError(2, "there are no files in the sandbox", path)


lstat = stat

import posixpath as path  # noqa: E402: it imports this module

sys.modules["os.path"] = path
