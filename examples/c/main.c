// A model in flash, checked at boot, then run on one row of features.
#include <stdio.h>

#include "edge.h" // mmoe codegen edge.mmoe --c edge.h

int main(void) {
    static mmoe_model model;
    static edge_scratch scratch;
    edge_features x;
    edge_outputs y;
    for (int i = 0; i < 64; i++) x.x[i] = i / 64.0f; // your sensors' values
    mmoe_status status = edge_open(&model, edge_blob, EDGE_BLOB_BYTES);
    if (status == MMOE_OK) status = edge_predict(&model, &x, &scratch, &y);
    if (status != MMOE_OK) return puts(mmoe_error_name(status)), 1;
    printf("y0 %.9g, y1 %.9g, y2 %.9g\n", y.y0, y.y1, y.y2);
    return 0;
}
