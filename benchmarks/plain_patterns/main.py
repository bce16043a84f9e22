"""Sign-up, log-in, CSV upload, background mail and prediction.

Start it with `uvicorn main:app` and the worker with
`celery -A main.celery_app worker`, after `python prepare.py`.
"""

import io
import os
import pickle
import time
from datetime import datetime, timedelta
from typing import List

import bcrypt
import pandas as pd
from celery import Celery
from fastapi import Depends, FastAPI, File, HTTPException, UploadFile, status
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm
from jose import JWTError, jwt
from pydantic import BaseModel
from sqlalchemy import Column, DateTime, Integer, String, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import declarative_base, sessionmaker

DATABASE_URL = os.getenv(
    "DATABASE_URL", "postgresql+asyncpg://postgres:postgres@localhost:5432/app"
)
REDIS_URL = os.getenv("REDIS_URL", "redis://localhost:6379/0")
MODEL_PATH = os.getenv("MODEL_PATH", "model.pkl")
SECRET_KEY = "your-secret-key"
ALGORITHM = "HS256"
ACCESS_TOKEN_EXPIRE_MINUTES = 30

app = FastAPI(title="My API")

# Database

engine = create_async_engine(DATABASE_URL)
AsyncSessionLocal = sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
Base = declarative_base()


class User(Base):
    __tablename__ = "users"

    id = Column(Integer, primary_key=True, index=True)
    email = Column(String, unique=True, index=True)
    name = Column(String)
    hashed_password = Column(String)
    created_at = Column(DateTime, default=datetime.utcnow)


async def get_db():
    async with AsyncSessionLocal() as session:
        yield session


# Users


class UserCreate(BaseModel):
    email: str
    password: str
    name: str


class UserResponse(BaseModel):
    id: int
    email: str
    name: str

    class Config:
        from_attributes = True


def hash_password(password: str) -> str:
    return bcrypt.hashpw(password.encode("utf-8"), bcrypt.gensalt()).decode("utf-8")


def verify_password(plain_password: str, hashed_password: str) -> bool:
    return bcrypt.checkpw(
        plain_password.encode("utf-8"), hashed_password.encode("utf-8")
    )


@app.post("/api/users", response_model=UserResponse, status_code=201)
async def create_user(user: UserCreate, db: AsyncSession = Depends(get_db)):
    db_user = User(
        email=user.email,
        name=user.name,
        hashed_password=hash_password(user.password),
    )
    db.add(db_user)
    await db.commit()
    await db.refresh(db_user)
    return db_user


# Log-in

oauth2_scheme = OAuth2PasswordBearer(tokenUrl="token")


def create_access_token(data: dict, expires_delta: timedelta = None):
    to_encode = data.copy()
    expire = datetime.utcnow() + (
        expires_delta or timedelta(minutes=ACCESS_TOKEN_EXPIRE_MINUTES)
    )
    to_encode.update({"exp": expire})
    return jwt.encode(to_encode, SECRET_KEY, algorithm=ALGORITHM)


async def get_current_user(token: str = Depends(oauth2_scheme)):
    try:
        payload = jwt.decode(token, SECRET_KEY, algorithms=[ALGORITHM])
        user_id: str = payload.get("sub")
        if user_id is None:
            raise HTTPException(status_code=401, detail="Invalid token")
        return user_id
    except JWTError:
        raise HTTPException(status_code=401, detail="Invalid token")


@app.post("/token")
async def login(
    form_data: OAuth2PasswordRequestForm = Depends(),
    db: AsyncSession = Depends(get_db),
):
    result = await db.execute(select(User).where(User.email == form_data.username))
    user = result.scalar_one_or_none()
    if not user or not verify_password(form_data.password, user.hashed_password):
        raise HTTPException(
            status_code=status.HTTP_401_UNAUTHORIZED,
            detail="Incorrect email or password",
        )
    access_token = create_access_token(data={"sub": user.id})
    return {"access_token": access_token, "token_type": "bearer"}


@app.get("/api/me")
async def read_me(current_user: str = Depends(get_current_user)):
    return {"user_id": current_user}


# CSV upload


@app.post("/api/upload-csv")
async def upload_csv(file: UploadFile = File(...)):
    contents = await file.read()
    df = pd.read_csv(io.StringIO(contents.decode("utf-8")))

    required_columns = ["id", "name", "email"]
    if not all(col in df.columns for col in required_columns):
        raise HTTPException(status_code=400, detail="Missing required columns")

    df = df.dropna(subset=["email"])
    df["email"] = df["email"].str.lower().str.strip()

    return {
        "total_rows": len(df),
        "unique_emails": df["email"].nunique(),
        "summary": df.describe().to_dict(),
    }


# Background mail

celery_app = Celery("tasks", broker=REDIS_URL)


@celery_app.task
def send_email_task(user_id: int):
    print(f"Sending email to user {user_id}")
    time.sleep(2)  # the mail server takes its time
    print(f"Email sent to user {user_id}")
    return True


@app.post("/api/send-email/{user_id}")
async def send_email(user_id: int):
    send_email_task.delay(user_id)
    return {"message": "Email queued"}


# Prediction

with open(MODEL_PATH, "rb") as f:
    model = pickle.load(f)


class PredictionRequest(BaseModel):
    features: List[float]


@app.post("/api/predict")
async def predict(request: PredictionRequest):
    prediction = model.predict([request.features])
    probability = model.predict_proba([request.features])
    return {
        "prediction": int(prediction[0]),
        "probability": float(probability[0][1]),
    }


@app.get("/health")
async def health():
    return {"status": "healthy"}
