-- CreateTable
CREATE TABLE "shards" (
    "prediction_id" TEXT NOT NULL,
    "number" INTEGER NOT NULL,
    "rows" INTEGER NOT NULL,
    "scored" BOOLEAN NOT NULL DEFAULT false,
    "written" BOOLEAN NOT NULL DEFAULT false,
    "progress" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "beat_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "shards_pkey" PRIMARY KEY ("prediction_id","number")
);

-- AddForeignKey
ALTER TABLE "shards" ADD CONSTRAINT "shards_prediction_id_fkey" FOREIGN KEY ("prediction_id") REFERENCES "predictions"("id") ON DELETE CASCADE ON UPDATE CASCADE;
