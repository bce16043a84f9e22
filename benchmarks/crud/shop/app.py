"""What `foretell serve --app benchmarks.crud.shop.app:app` serves."""

from benchmarks.crud.shop.extension import shop
from foretell import create_app

app = create_app(extensions=[shop])
