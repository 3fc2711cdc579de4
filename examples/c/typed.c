// The same with a library that was built for this model: far less code, and no scratch of the caller's.
#include <stdio.h>

#include "edge.h" // cargo xtask c-lib --model edge.mmoe

int main(void) {
    const edge_model *model;
    edge_features x;
    edge_outputs y;
    for (int i = 0; i < 64; i++) x.x[i] = i / 64.0f; // your sensors' values
    mmoe_status status = edge_open(&model, edge_blob, EDGE_BLOB_BYTES);
    if (status == MMOE_OK) status = edge_predict(model, &x, &y);
    if (status != MMOE_OK) return puts(edge_error_name(status)), 1;
    printf("y0 %.9g, y1 %.9g, y2 %.9g\n", y.y0, y.y1, y.y2);
    return 0;
}
