"""The benchmark's application with the variants beside the plain resources."""

from benchmarks.crud.shop.extension import shop
from benchmarks.crud.variants.extension import variants
from foretell import create_app

app = create_app(extensions=[shop, variants])
