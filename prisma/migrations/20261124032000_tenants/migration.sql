-- CreateTable
CREATE TABLE "tenants" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "tenants_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "tenants_name_key" ON "tenants"("name");

-- CreateIndex
CREATE INDEX "tenants_created_at_id_idx" ON "tenants"("created_at", "id");

-- The tenant of the operator and of all that is there so far. Its id is the default of every tenant_id, so that services of the
-- version before go on writing rows.
INSERT INTO "tenants" ("id", "name") VALUES ('tnt_0000000000000000000000', 'default');

-- AlterTable
ALTER TABLE "users" ADD COLUMN     "tenant_id" TEXT NOT NULL DEFAULT 'tnt_0000000000000000000000';

-- AlterTable
ALTER TABLE "jobs" ADD COLUMN     "tenant_id" TEXT NOT NULL DEFAULT 'tnt_0000000000000000000000';

-- AlterTable
ALTER TABLE "datasets" ADD COLUMN     "tenant_id" TEXT NOT NULL DEFAULT 'tnt_0000000000000000000000';

-- AlterTable
ALTER TABLE "runs" ADD COLUMN     "tenant_id" TEXT NOT NULL DEFAULT 'tnt_0000000000000000000000';

-- AlterTable
ALTER TABLE "models" ADD COLUMN     "tenant_id" TEXT NOT NULL DEFAULT 'tnt_0000000000000000000000',
ADD COLUMN     "label" TEXT NOT NULL DEFAULT '';

-- AlterTable
ALTER TABLE "leaderboards" ADD COLUMN     "tenant_id" TEXT NOT NULL DEFAULT 'tnt_0000000000000000000000';

-- AlterTable
ALTER TABLE "model_imports" ADD COLUMN     "tenant_id" TEXT NOT NULL DEFAULT 'tnt_0000000000000000000000';

-- AlterTable
ALTER TABLE "evaluations" ADD COLUMN     "tenant_id" TEXT NOT NULL DEFAULT 'tnt_0000000000000000000000';

-- AlterTable
ALTER TABLE "predictions" ADD COLUMN     "tenant_id" TEXT NOT NULL DEFAULT 'tnt_0000000000000000000000';

-- AlterTable
ALTER TABLE "audit_entries" ADD COLUMN     "tenant_id" TEXT NOT NULL DEFAULT 'tnt_0000000000000000000000';

-- DropIndex
DROP INDEX "users_created_at_id_idx";

-- DropIndex
DROP INDEX "jobs_created_at_id_idx";

-- DropIndex
DROP INDEX "datasets_created_at_id_idx";

-- DropIndex
DROP INDEX "runs_created_at_id_idx";

-- DropIndex
DROP INDEX "models_created_at_id_idx";

-- DropIndex
DROP INDEX "leaderboards_created_at_id_idx";

-- DropIndex
DROP INDEX "evaluations_created_at_id_idx";

-- DropIndex
DROP INDEX "predictions_created_at_id_idx";

-- DropIndex
DROP INDEX "audit_entries_created_at_id_idx";

-- DropIndex
DROP INDEX "jobs_kind_created_at_id_idx";

-- DropIndex
DROP INDEX "audit_entries_actor_created_at_id_idx";

-- DropIndex
DROP INDEX "audit_entries_resource_type_resource_id_created_at_id_idx";

-- CreateIndex
CREATE INDEX "users_tenant_id_created_at_id_idx" ON "users"("tenant_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "jobs_tenant_id_created_at_id_idx" ON "jobs"("tenant_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "datasets_tenant_id_created_at_id_idx" ON "datasets"("tenant_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "runs_tenant_id_created_at_id_idx" ON "runs"("tenant_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "models_tenant_id_created_at_id_idx" ON "models"("tenant_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "leaderboards_tenant_id_created_at_id_idx" ON "leaderboards"("tenant_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "evaluations_tenant_id_created_at_id_idx" ON "evaluations"("tenant_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "predictions_tenant_id_created_at_id_idx" ON "predictions"("tenant_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "audit_entries_tenant_id_created_at_id_idx" ON "audit_entries"("tenant_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "jobs_tenant_id_kind_created_at_id_idx" ON "jobs"("tenant_id", "kind", "created_at", "id");

-- CreateIndex
CREATE INDEX "audit_entries_tenant_id_actor_created_at_id_idx" ON "audit_entries"("tenant_id", "actor", "created_at", "id");

-- CreateIndex
CREATE INDEX "audit_entries_tenant_id_resource_type_resource_id_created_a_idx" ON "audit_entries"("tenant_id", "resource_type", "resource_id", "created_at", "id");

-- AddForeignKey
ALTER TABLE "users" ADD CONSTRAINT "users_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "datasets" ADD CONSTRAINT "datasets_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "runs" ADD CONSTRAINT "runs_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "models" ADD CONSTRAINT "models_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "leaderboards" ADD CONSTRAINT "leaderboards_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "model_imports" ADD CONSTRAINT "model_imports_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "evaluations" ADD CONSTRAINT "evaluations_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "predictions" ADD CONSTRAINT "predictions_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "audit_entries" ADD CONSTRAINT "audit_entries_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What Prisma's language has no words for.

-- models.name is unique over the installation, for services of the version before ask for "ON CONFLICT (name)": it holds the name
-- in the default tenant and TENANT/NAME elsewhere. The name itself is the label.
UPDATE "models" SET "label" = "name";

CREATE FUNCTION "label_model"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.label = '' THEN NEW.label := NEW.name; END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER "models_label" BEFORE INSERT ON "models"
    FOR EACH ROW EXECUTE FUNCTION "label_model"();

ALTER TABLE "models"
    ADD CONSTRAINT "models_key_check" CHECK ("name" = CASE WHEN "tenant_id" = 'tnt_0000000000000000000000' THEN "label" ELSE "tenant_id" || '/' || "label" END);

-- Who refers to something of another tenant is refused by the database too, whatever code asked for it.
-- Arguments: pairs of a column and the table that it refers to.
CREATE FUNCTION "refuse_other_tenant"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    other text;
    referred text;
    found boolean;
BEGIN
    FOR n IN 0 .. TG_NARGS / 2 - 1 LOOP
        referred := to_jsonb(NEW) ->> TG_ARGV[2 * n];
        CONTINUE WHEN referred IS NULL;
        other := CASE TG_ARGV[2 * n + 1]
            WHEN 'model_versions' THEN 'model_versions v JOIN models t ON t.id = v.model_id WHERE v.id'
            ELSE quote_ident(TG_ARGV[2 * n + 1]) || ' t WHERE t.id' END;
        EXECUTE format('SELECT EXISTS (SELECT FROM %s = $1 AND t.tenant_id <> $2)', other) INTO found USING referred, NEW.tenant_id;
        IF found THEN
            RAISE EXCEPTION '% of % is of another tenant', TG_ARGV[2 * n], TG_TABLE_NAME USING ERRCODE = 'check_violation';
        END IF;
    END LOOP;
    RETURN NEW;
END
$$;

CREATE TRIGGER "datasets_tenant" BEFORE INSERT OR UPDATE OF "tenant_id", "job_id" ON "datasets"
    FOR EACH ROW EXECUTE FUNCTION "refuse_other_tenant"('job_id', 'jobs');
CREATE TRIGGER "runs_tenant" BEFORE INSERT OR UPDATE OF "tenant_id", "job_id", "dataset_id" ON "runs"
    FOR EACH ROW EXECUTE FUNCTION "refuse_other_tenant"('job_id', 'jobs', 'dataset_id', 'datasets');
CREATE TRIGGER "leaderboards_tenant" BEFORE INSERT OR UPDATE OF "tenant_id", "job_id", "dataset_id" ON "leaderboards"
    FOR EACH ROW EXECUTE FUNCTION "refuse_other_tenant"('job_id', 'jobs', 'dataset_id', 'datasets');
CREATE TRIGGER "model_imports_tenant" BEFORE INSERT OR UPDATE OF "tenant_id", "job_id" ON "model_imports"
    FOR EACH ROW EXECUTE FUNCTION "refuse_other_tenant"('job_id', 'jobs');
CREATE TRIGGER "evaluations_tenant" BEFORE INSERT OR UPDATE OF "tenant_id", "job_id", "run_id", "dataset_id", "version_id" ON "evaluations"
    FOR EACH ROW EXECUTE FUNCTION "refuse_other_tenant"('job_id', 'jobs', 'run_id', 'runs', 'dataset_id', 'datasets', 'version_id', 'model_versions');
CREATE TRIGGER "predictions_tenant" BEFORE INSERT OR UPDATE OF "tenant_id", "job_id", "dataset_id", "version_id" ON "predictions"
    FOR EACH ROW EXECUTE FUNCTION "refuse_other_tenant"('job_id', 'jobs', 'dataset_id', 'datasets', 'version_id', 'model_versions');
