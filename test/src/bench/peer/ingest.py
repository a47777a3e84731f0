"""Peer of the ingest bench: the same work in Python's DuckDB or in pandas.

ingest.py ENGINE LAYOUT THREADS OUT FILE...

ENGINE duckdb: validated, typed rows in the order of the file as zstd Parquet, and the rows that were left out with their number,
reason and value; the memory limit, the reading buffer and the row groups that the ingest has. ENGINE duckdb-profile and pandas: the profile of the rows as well.
LAYOUT orders: a CSV of orders; olist: the folder of Olist. Prints its versions, then does the work for each line on its input.
"""
import json
import os
import sys
import time

engine, layout, threads, out = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
files = {os.path.basename(path).replace("olist_", "").replace("_dataset.csv", ""): path for path in sys.argv[5:]}
NUMBERS = ["amount", "quantity"]
TEXTS = ["product", "category", "payment_type", "place"]


def duckdb_ingest():
    db = duckdb.connect()
    db.execute(f"SET threads = {threads}; SET memory_limit = '1GiB'; SET TimeZone = 'UTC'; SET temp_directory = '{out}/spill'")

    def csv(path, columns):
        names = ", ".join(f"'{name}': 'VARCHAR'" for name in columns)
        return (f"read_csv('{path}', auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"', "
                f"buffer_size = 4194304, store_rejects = true, rejects_limit = 0, columns = {{{names}}})")

    text = lambda column: f"nullif(trim({column}), '')"
    if layout == "orders":
        source = csv(next(iter(files.values())), ["customer_id", "order_id", "time", "amount", "product", "category",
                                                  "payment_type", "place", "quantity"])
        typed = f"""SELECT {text('customer_id')} AS customer_id, TRY_CAST(time AS TIMESTAMP) AS time, TRY_CAST(amount AS DOUBLE) AS amount,
            coalesce({text('order_id')}, time) AS order_id, {', '.join(f'{text(c)} AS {c}' for c in TEXTS)},
            TRY_CAST(quantity AS DOUBLE) AS quantity, time AS time_text, amount AS amount_text FROM {source}"""
    else:
        header = lambda name: open(files[name], encoding="utf-8-sig").readline().strip().replace('"', "").split(",")
        table = lambda name: csv(files[name], header(name))
        typed = f"""
          WITH customers AS (SELECT customer_id AS id, {text('customer_unique_id')} AS person, customer_state AS state FROM {table('customers')}),
            payments AS (SELECT order_id AS id, sum(TRY_CAST(payment_value AS DOUBLE)) AS paid,
              arg_max(payment_type, TRY_CAST(payment_value AS DOUBLE)) AS kind FROM {table('order_payments')} GROUP BY 1),
            items AS (SELECT order_id AS id, sum(TRY_CAST(price AS DOUBLE) + TRY_CAST(freight_value AS DOUBLE)) AS total,
              count(*)::DOUBLE AS pieces, arg_max(product_id, TRY_CAST(price AS DOUBLE)) AS product FROM {table('order_items')} GROUP BY 1),
            products AS (SELECT product_id AS id, product_category_name AS category FROM {table('products')}),
            words AS (SELECT product_category_name AS word, product_category_name_english AS english FROM {table('product_category_name_translation.csv')}),
            orders AS (SELECT *, row_number() OVER () AS row FROM {table('orders')})
          SELECT CASE WHEN order_status = 'delivered' THEN person END AS customer_id,
            TRY_CAST(order_purchase_timestamp AS TIMESTAMP) AS time, coalesce(paid, total) AS amount, order_id, product,
            coalesce(english, category) AS category, kind AS payment_type, state AS place, pieces AS quantity,
            order_purchase_timestamp AS time_text, order_status AS amount_text
          FROM orders LEFT JOIN customers ON customers.id = orders.customer_id LEFT JOIN payments ON payments.id = order_id
            LEFT JOIN items ON items.id = order_id LEFT JOIN products ON products.id = items.product
            LEFT JOIN words ON words.word = products.category ORDER BY row"""
    good = "customer_id IS NOT NULL AND time IS NOT NULL AND amount IS NOT NULL"
    db.execute(f"COPY (SELECT * EXCLUDE (time_text, amount_text) FROM ({typed}) WHERE {good}) TO '{out}/peer.parquet' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 30720)")
    rows = db.execute(f"SELECT count(*) FROM '{out}/peer.parquet'").fetchone()[0]
    main = files["orders"] if layout == "olist" else next(iter(files.values()))
    everything = db.execute(f"SELECT count(*) FROM read_csv('{main}', all_varchar = true, ignore_errors = true)").fetchone()[0]
    if everything > rows:
        db.execute(f"""CREATE TABLE rejects AS SELECT * FROM (SELECT row_number() OVER () AS row,
            CASE WHEN customer_id IS NULL THEN 'customer is missing' WHEN time IS NULL THEN 'time does not fit'
              WHEN amount IS NULL THEN 'amount is not a number' END AS reason, coalesce(time_text, amount_text) AS value
            FROM ({typed})) WHERE reason IS NOT NULL""")
    if engine == "duckdb-profile":
        source = f"'{out}/peer.parquet'"
        db.execute(f"SELECT count(DISTINCT customer_id), fsum(amount), min(time), max(time) FROM {source}").fetchall()
        db.execute(f"SELECT count(*) FROM (SELECT DISTINCT customer_id, order_id FROM {source})").fetchall()
        db.execute(f"SELECT count(*) FROM (SELECT DISTINCT * FROM {source})").fetchall()
        db.execute(f"SELECT {', '.join(f'count({c}), approx_count_distinct({c})' for c in ['customer_id', 'time', 'order_id', *NUMBERS, *TEXTS])} FROM {source}").fetchall()
        for c in NUMBERS:
            db.execute(f"SELECT min({c}), max({c}), avg({c}), stddev({c}), quantile_cont({c}, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]) FROM {source}").fetchall()
            db.execute(f"SELECT floor({c} / 10) AS bin, count(*) FROM {source} GROUP BY 1").fetchall()
        for c in TEXTS:
            db.execute(f"SELECT {c}, count(*) AS n FROM {source} GROUP BY 1 ORDER BY n DESC LIMIT 20").fetchall()
    db.close()
    return rows


def pandas_ingest():
    read = lambda path: pd.read_csv(path, dtype=str, keep_default_na=False, on_bad_lines="skip", encoding="utf-8-sig")
    if layout == "orders":
        df = read(next(iter(files.values())))
        df["customer_id"] = df["customer_id"].str.strip().replace("", None)
    else:
        orders, payments, items = read(files["orders"]), read(files["order_payments"]), read(files["order_items"])
        payments["payment_value"] = pd.to_numeric(payments["payment_value"], errors="coerce")
        items["price"] = pd.to_numeric(items["price"], errors="coerce")
        items["total"] = items["price"] + pd.to_numeric(items["freight_value"], errors="coerce")
        paid = payments.groupby("order_id")["payment_value"].sum().rename("paid")
        kind = payments.sort_values("payment_value", ascending=False).drop_duplicates("order_id").set_index("order_id")["payment_type"]
        total = items.groupby("order_id")["total"].sum()
        pieces = items.groupby("order_id").size().rename("quantity")
        product = items.sort_values("price", ascending=False).drop_duplicates("order_id").set_index("order_id")["product_id"].rename("product")
        category = read(files["products"]).merge(read(files["product_category_name_translation.csv"]), on="product_category_name", how="left")
        category = category["product_category_name_english"].fillna(category["product_category_name"]).set_axis(category["product_id"]).rename("category")
        df = orders.merge(read(files["customers"]), on="customer_id", how="left")
        for column in (paid, kind, total, pieces, product):
            df = df.join(column, on="order_id")
        df = df.join(category, on="product")
        delivered = df["order_status"] == "delivered"
        df = pd.DataFrame({"customer_id": df["customer_unique_id"].where(delivered), "time": df["order_purchase_timestamp"],
                           "amount": df["paid"].fillna(df["total"]), "order_id": df["order_id"], "product": df["product"],
                           "category": df["category"], "payment_type": df["payment_type"], "place": df["customer_state"],
                           "quantity": df["quantity"].astype(float)})
    time_text, amount_text = df["time"], df["amount"]
    df["time"] = pd.to_datetime(df["time"], errors="coerce")
    for column in NUMBERS:
        df[column] = pd.to_numeric(df[column], errors="coerce")
    for column in ["order_id", *TEXTS]:
        df[column] = df[column].str.strip().replace("", None)
    bad = df["customer_id"].isna() | df["time"].isna() | df["amount"].isna()
    rejects = pd.DataFrame({"row": bad[bad].index + 1, "time": time_text[bad], "amount": amount_text[bad]})
    rejects["reason"] = "customer is missing"
    df = df[~bad]
    df.to_parquet(f"{out}/peer.parquet", compression="zstd", index=False)
    df["customer_id"].nunique(), df["amount"].sum(), df["time"].min(), df["time"].max()
    df[["customer_id", "order_id"]].drop_duplicates().shape, df.duplicated().sum(), df.nunique(), df.isna().sum()
    df[NUMBERS].describe(percentiles=[0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
    for column in NUMBERS:
        np.histogram(df[column].dropna(), bins=20)
    for column in TEXTS:
        df[column].value_counts().head(20)
    return len(df)


if engine == "pandas":
    import numpy as np
    import pandas as pd
    print(json.dumps({"pandas": pd.__version__}), flush=True)
else:
    import duckdb
    print(json.dumps({"duckdb": duckdb.__version__}), flush=True)
for _ in sys.stdin:
    start, cpu = time.perf_counter(), time.process_time()
    rows = pandas_ingest() if engine == "pandas" else duckdb_ingest()
    print(json.dumps({"seconds": time.perf_counter() - start, "cpuSeconds": time.process_time() - cpu, "rows": rows}), flush=True)
