"""The application: `foretell serve --app five_patterns.app:app`."""

from five_patterns.extension import five
from foretell import create_app

app = create_app(extensions=[five])
