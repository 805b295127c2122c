"""An extension for mkdocstrings: attributes have the texts of the sources, and members of enumerations no brackets.

The package is inspected and not parsed, since the compiled module has its docstrings in the extension.
"""

import ast
import inspect
import re

import griffe

# What inspection takes for the docstring of an attribute.
OF_TYPES = {inspect.cleandoc(kind.__doc__) for kind in (bool, bytes, dict, float, frozenset, int, list, str, tuple)}


# A member of an enumeration, as inspection shows it: `<Action.COMPRESS: 'compress'>`.
MEMBER = re.compile(r"<(\w+\.\w+): (.*)>")


class AttributeDocs(griffe.Extension):
    """Replaces the docstrings of attributes, their values, and defaults when a package has been loaded."""

    def on_package(self, *, pkg, **_):
        """Change a package and all that is in it."""
        self._change(pkg)

    def _change(self, parent):
        texts = None
        for name, member in parent.members.items():
            if member.is_alias:
                continue
            if member.is_attribute:
                if found := MEMBER.fullmatch(str(member.value)):
                    member.value = found[2]
                if member.docstring is not None and member.docstring.value in OF_TYPES:
                    texts = attribute_texts(parent) if texts is None else texts
                    member.docstring = griffe.Docstring(texts[name], parent=member) if name in texts else None
            elif member.is_function:
                for parameter in member.parameters:
                    if found := MEMBER.fullmatch(str(parameter.default)):
                        parameter.default = found[1]
            elif member.is_class or member.is_module:
                self._change(member)


def attribute_texts(parent):
    """Return the texts after the attributes of a class, by their names."""
    if not parent.is_class:
        return {}
    module = ast.parse(parent.filepath.read_text(encoding="utf-8"))
    found = [node for node in ast.walk(module) if isinstance(node, ast.ClassDef) and node.name == parent.name]
    return {
        node.target.id: inspect.cleandoc(after.value.value)
        for node, after in zip(found[0].body, found[0].body[1:], strict=False)
        if isinstance(node, ast.AnnAssign)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
        and isinstance(after.value.value, str)
    }
