"""Progress bars by tqdm, where it is installed."""

import sys


def _kind():
    """The bar of a notebook where that can be shown, of a terminal otherwise."""
    if "ipykernel" in sys.modules:
        try:
            import ipywidgets  # noqa: F401
            from tqdm.notebook import tqdm

            return tqdm
        except ImportError:
            pass
    from tqdm import tqdm

    return tqdm


def bar(wanted, total: int):
    """A function to call with the number done, and one to call at the end; (None, nothing) where no bar is wanted.

    ``wanted`` is True, False, "auto" (in a notebook alone) or a function of the number done.
    """
    nothing = lambda: None  # noqa: E731
    if callable(wanted):
        return wanted, nothing
    if wanted == "auto":
        wanted = "ipykernel" in sys.modules
    if not wanted:
        return None, nothing
    try:
        tqdm = _kind()
    except ImportError:
        return None, nothing
    shown = tqdm(total=total, unit="traj", delay=0.5)

    def told(done: int) -> None:
        shown.update(done - shown.n)

    return told, shown.close
