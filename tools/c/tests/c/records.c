/* Records from C: what is missing, texts and lists, by the header that `mmoe codegen --c` wrote. */
#include <stdio.h>
#include <string.h>

#include "shop.h"

static void show(const mmoe_model *model, const shop_record *x) {
    static shop_scratch scratch;
    shop_outputs y = {0, 0};
    uint32_t words[2];
    mmoe_status status = shop_predict(model, x, &scratch, &y);
    memcpy(words, &y, sizeof words);
    printf("%s %08lx %08lx\n", mmoe_error_name(status), (unsigned long)words[0], (unsigned long)words[1]);
}

int main(void) {
    static mmoe_model model;
    if (shop_open(&model, shop_blob, SHOP_BLOB_BYTES) != MMOE_OK) return 1;
    mmoe_text tags[2] = {{"new", 3}, {"", 0}}, interests[1] = {{"sport", 5}};
    uint32_t history[3] = {4, 1, 7};
    shop_record x;
    x.age = mmoe_number(38.5f), x.country = mmoe_string("de"), x.distance = mmoe_number(2.25f);
    x.zip = mmoe_ident(12345), x.campaign = mmoe_string("spring"), x.user = mmoe_string("u-17");
    x.history = mmoe_ident_list(history, 3), x.item = mmoe_ident(5), x.interests = mmoe_text_list(interests, 1);
    x.motion_0 = mmoe_number(0.5f), x.motion_1 = mmoe_number(-0.5f), x.clicks = mmoe_number(3);
    x.price = mmoe_number(19.99f), x.income = mmoe_missing(), x.device = mmoe_string("phone");
    x.plan = mmoe_ident(1), x.site = mmoe_string("news"), x.hour = mmoe_ident(13);
    x.tags = mmoe_text_list(tags, 2);
    show(&model, &x);
    x.country = mmoe_missing();
    x.history = mmoe_missing();
    show(&model, &x);
    x.age = mmoe_ident(38); /* of another kind than the model takes */
    show(&model, &x);
    x.age.kind = 99; /* of no kind at all */
    show(&model, &x);
    return 0;
}
