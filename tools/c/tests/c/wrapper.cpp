// The C++ wrapper: a model from a blob, a blob that is damaged, and too little scratch.
#include "mmoe.hpp"

#include <cstdio>
#include <cstring>

#include "edge.h"
#include "shop.h"

int main() {
    mmoe::model<EDGE_SCRATCH_BYTES> model(edge_blob, EDGE_BLOB_BYTES);
    edge_features x;
    edge_outputs y;
    for (int i = 0; i < 64; i++) x.x[i] = static_cast<float>(i) / 64.0f;
    if (!model || model.predict(x, y) != MMOE_OK) return std::puts(model.what()), 1;
    std::printf("y0 %.9g, y1 %.9g, y2 %.9g\n", y.y0, y.y1, y.y2);

    mmoe::model<SHOP_SCRATCH_BYTES> shop(shop_blob, SHOP_BLOB_BYTES);
    shop_record record;
    std::memset(static_cast<void *>(&record), 0, sizeof record);
    shop_outputs z;
    if (shop.predict_record(record, z) != MMOE_E_VALUE) return 2; // an id may not be missing
    mmoe::model<EDGE_SCRATCH_BYTES> cut(edge_blob, EDGE_BLOB_BYTES - 1);
    mmoe::model<16> small(edge_blob, EDGE_BLOB_BYTES);
    return cut.status() == MMOE_E_TRUNCATED && !cut && small.status() == MMOE_E_SCRATCH ? 0 : 3;
}
