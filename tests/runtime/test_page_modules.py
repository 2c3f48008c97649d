"""page_modules: JavaScript modules become one."""

from __future__ import annotations

from tickerkit.runtime.page_modules import join_modules


def test_joining_leaves_out_imports_exports_comments_and_indents() -> None:
    """Of comments only those that share a line with code remain."""
    first = '/**\n * What it does.\n */\n\nconst URL = "http://a"; // stays\nexport class A {}\n'
    second = (
        'import { A } from "./a.js";\n\n  // goes\n  /** @type {A} */ (x) = 1;\nexport default A;\n'
    )
    joined = '\nconst URL = "http://a"; // stays\nclass A {}\n\n\n/** @type {A} */ (x) = 1;\n'
    assert join_modules([first, second]) == f"{joined}export default A;\n"
